"""What is in files of data: `mai data`. A column, an array, a folder of images or a text is gone through once, some of it at a time."""
