"""Rating forms for people, what came back, and how far people and scores agree."""
