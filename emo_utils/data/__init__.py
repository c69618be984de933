"""The project's own data sets, a user's in their place, the papers' printed numbers, and the rows
that trainers read."""
