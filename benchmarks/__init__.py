"""Speed beside peers, and the calibration of the synthetic images."""
