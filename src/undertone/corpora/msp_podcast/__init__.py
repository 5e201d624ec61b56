"""MSP-Podcast from your own copy, in either layout of its labels."""

from undertone.corpora.msp_podcast.reader import read

__all__ = ["read"]
