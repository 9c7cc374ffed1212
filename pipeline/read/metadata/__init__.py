"""What a photo says of itself: header.py before its pixels are decoded, embedded.py to carry it into the result."""
