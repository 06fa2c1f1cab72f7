"""The colours of mails, light and dark, and the contrast that every pair of text and ground must reach."""

from publisher.settings import Site

# WCAG 2.2, success criterion 1.4.3: text smaller than 24 px.
LEAST_CONTRAST = 4.5
LIGHT = {"paper": "#FBFAF7", "card": "#FFFFFF", "ink": "#1B1A17", "second": "#5C5850", "hairline": "#E4E0D8", "accent": "#B5341A", "soft": "#F6E9E4"}
DARK = {"paper": "#141311", "card": "#1D1B18", "ink": "#ECE8E0", "second": "#A8A296", "hairline": "#34302A", "accent": "#FF8A6B", "soft": "#1D1B18"}
# Text and the ground it stands on, wherever mails and pages put one on the other.
PAIRS = tuple((text, ground) for text in ("ink", "second", "accent") for ground in ("paper", "card"))


def palette(site: Site) -> dict[str, dict[str, str]]:
    """Both schemes with the newsroom's accents."""
    return {"light": LIGHT | {"accent": site.accent}, "dark": DARK | {"accent": site.accent_dark}}


def contrast(one: str, other: str) -> float:
    """The contrast of two colours `#RRGGBB`, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[place:place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
