"""Anomaly detection, also scored by NAB's rules."""

from convzoo.core.task import Meter
from convzoo.tasks.anomaly_detection import AnomalyDetection


class NabDetection(AnomalyDetection):
    """`anomaly_detection` with the scores of the Numenta Anomaly Benchmark for its three profiles."""

    def meter(self) -> Meter:
        """The scores over time steps, and NAB's."""
        from convzoo.metrics.nab import NabMeter

        return NabMeter()
