"""The words by which a judge takes back what it has just said: "3... no, 8", "C, or rather A", "yes -> no".

What stands before them and what stands after them are two answers. Where they differ there is none, and the judge is
asked again: nobody can say which of the two it would keep.
"""

CORRECTS = (
    r"(?:\b(?:no|wait|sorry|(?:or\s)?rather|make\s(?:it|that)|I\smean|actually|hm+|on\s(?:reflection|second\sthought)"
    r"|correction|corrected|changed|revised|scratch\sthat|better)\b|->|→|=>|⇒|\.{3}|…)"
    r"[\s,.:;*_\"'`(–—-]{0,8}(?:(?:to|an?|it's|it\sis)\s{1,3}){0,2}"
)
"""One of them, with what may stand between it and the other answer."""
