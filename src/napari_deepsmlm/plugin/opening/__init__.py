"""Opening and saving: readers, writers, sample data, planes."""
