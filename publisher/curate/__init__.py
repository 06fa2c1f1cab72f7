"""Stories to picks: chooses what an issue tells and gives a reason for all that it does not."""
