"""The `emo` command, and what only it needs; what notebooks share is in `emo_utils`."""
