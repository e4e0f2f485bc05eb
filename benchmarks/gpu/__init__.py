"""What a GPU does with coilal, beside the same work by bare torch in the same process."""
