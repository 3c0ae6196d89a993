"""The verbs: one module each; what a verb does stands elsewhere, how it looks stands here."""
