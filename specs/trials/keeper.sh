# A keeper of a service's state, a file: sh keeper.sh WAY BEATS
# It looks every 50 ms.  Careful, it mends what is broken in 400 ms and tidies up; hasty, it leaves its lock; idle, it looks on.
beats=$2
echo well > state
while [ "$beats" -gt 0 ]; do
  sleep 0.05
  beats=$((beats - 1))
  if grep -qsx well state || [ "$1" = idle ]; then
    continue
  fi
  touch state.lock
  sleep 0.4
  echo well > state.new
  mv state.new state
  if [ "$1" = careful ]; then
    rm state.lock
  fi
done
