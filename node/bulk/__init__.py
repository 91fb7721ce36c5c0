"""Turn very many values into tokens and match them, over processes or over a cluster of Ray.

Two steps, each a pure function of its part. ``tokenise_part`` blinds some ten thousand values, has
them evaluated by the key holders through their doors and writes tokens in order; ``match_range``
joins all tokens below a range of keys with those of a catalogue. What a part came to is written at
once and whole, so that a run that was killed goes on where it was.
"""
