"""What lenses do to pictures: told by the file itself, or by a database."""
