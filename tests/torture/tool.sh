# The tool under which campaign is tortured: tool.sh GROUND NAP HOW.
# Before anything else it takes its attempt's mark, a file that it must make itself; every third seed fails.
# HOW is "synced" where what it did must outlast a power cut, else "quick".
ground=$1 nap=$2 how=$3
path=${CAMPAIGN_WORKDIR#*/runs/}
name=${path%%/*}@$CAMPAIGN_INSTANCE@$CAMPAIGN_SEED@$CAMPAIGN_ATTEMPT
set -C
true >"$ground/marks/$name" || echo "$name" >>"$ground/twice"
echo "start $name" >>"$ground/effects"
if [ "$how" = synced ]; then sync "$ground/marks/$name" "$ground/marks" "$ground/effects"; fi
sleep "$nap"
echo "end $name" >>"$ground/effects"
if [ "$how" = synced ]; then sync "$ground/effects"; fi
[ $((CAMPAIGN_SEED % 3)) -ne 0 ] || exit 3
