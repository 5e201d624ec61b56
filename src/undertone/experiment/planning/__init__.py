"""What a curve of so many hours and speakers would take: measured small, carried on.

``measured`` times every step on two small corpora, ``costs`` lays lines through them, ``outlook``
tells of a corpus of any size cores, hours, memory and disk.
"""

from undertone.experiment.planning.outlook import Outlook, Step, Wanted, plan

__all__ = ["Outlook", "Step", "Wanted", "plan"]
