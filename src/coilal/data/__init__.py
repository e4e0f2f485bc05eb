"""Images and labels: renderer, readers, splits and the store of decoded images."""
