"""What a folder of images, tables and archives seems to hold, as the keys of `data:` that read it."""
