"""Files of a listing to shots: headers, brackets, decoding, colour, metadata."""
