"""The named defects of the catalog; each makes one kind of answer wrong, to prove that the suites notice."""

from __future__ import annotations

from typing import Final

from testbed.catalog import defects_of_answers
from testbed.catalog import defects_of_people
from testbed.catalog import defects_of_reading
from testbed.catalog import defects_of_searching
from testbed.catalog import defects_of_tabulator
from testbed.catalog import defects_of_writing

DEFECTS: Final = (
    defects_of_answers.DEFECTS
    | defects_of_people.DEFECTS
    | defects_of_reading.DEFECTS
    | defects_of_searching.DEFECTS
    | defects_of_tabulator.DEFECTS
    | defects_of_writing.DEFECTS
)
SENTENCES: Final = {name: sentence for name, (_, sentence, _) in DEFECTS.items()}
