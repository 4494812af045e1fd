"""The load as a SensorGraph names it: the source of what `load` makes."""

from typing import Final

from bench.ingest.load import ALARM, HIGHEST, PROPERTIES
from edgeglm_api.sensor_graph import EntityRef, Limits, Measurement, Source, SourceRelation, Timestamp

STATES: Final = Source(
    name="state",
    topic="plant/{line}/{machine}/state",
    entity=EntityRef(type="Machine", id="{line}/{machine}"),
    measurements=tuple(
        Measurement(
            property=name,
            path=f"$.{name}",
            unit="mm/s",
            min=0.0,
            max=HIGHEST,
            limits=Limits(high=ALARM) if name == "rms" else Limits(),
        )
        for name in PROPERTIES
    ),
    timestamp=Timestamp(path="$.ts", format="Seconds"),
    relations=(SourceRelation(type="partOf", to=EntityRef(type="Line", id="{line}")),),
)
