"""What the trainings share; the trainers are built in the notebooks, beside the objectives."""
