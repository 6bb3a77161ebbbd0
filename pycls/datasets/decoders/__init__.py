"""From encoded bytes to the pixels of a view: libjpeg-turbo in C, OpenCV, torchvision, Pillow."""
