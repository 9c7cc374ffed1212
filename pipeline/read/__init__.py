"""Files of a listing to shots, and shots to pixels.

Which files count:      scan, copies, groups (groups.yaml); shots is the entrance
Which are of one view:  brackets by ladder (facts), alike and views (pictures)
Pixels:                 decode is the entrance; formats, raw, color, icc; exposures of a whole shot
What a photo says:      metadata/
"""
