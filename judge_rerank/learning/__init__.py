"""From judgments to something cheaper or better: calibration, distilled and fine-tuned scorers."""
