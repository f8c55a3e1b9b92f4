"""What keeps the cluster going beside the API: scheduling, jobs, quota and cleaning up."""
