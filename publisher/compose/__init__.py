"""Picks to frozen texts: an issue and its posts are composed once and never change afterwards."""
