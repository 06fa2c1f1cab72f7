"""Many hands: the slices of an issue are sent by several processes, on one machine or on many. Nothing here composes, or imports what does."""
