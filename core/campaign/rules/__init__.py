"""Rule sets: what a product line allows, and how its results are judged.

    text ──reading──▶ nodes ──load──▶ RuleSet ──compose──▶ RuleBook ──limits──▶ violations

``structs`` says what there is, ``files`` finds what a spec names and what a set extends.
"""
