"""The `emo` command, and what only it needs; what notebooks share is in `emo_utils`."""

import sys

# jsonschema, which reads notebooks, builds a grammar for a format that no notebook has wherever it
# finds this package: 1.4 seconds a command.
sys.modules.setdefault("rfc3987_syntax", None)
