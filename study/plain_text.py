"""Text of somebody else's as one line of a terminal: nothing in it moves the cursor, colours or reorders anything."""

CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
BIDIRECTIONAL = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
VISIBLE = {number: chr(number).encode("unicode_escape").decode() for number in (*CONTROLS, *BIDIRECTIONAL)}


def visible(text: object) -> str:
    """The text with control and direction characters as Python writes them in a literal: an escape is `\\x1b`."""
    return str(text).translate(VISIBLE)


def visible_lines(text: object) -> str:
    """As `visible`, but line breaks and tabs stay: for messages of several lines."""
    return str(text).translate({number: sign for number, sign in VISIBLE.items() if number not in (9, 10)})
