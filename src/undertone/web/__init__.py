"""A port of this machine: who may ask there, how it is opened, how it ends."""
