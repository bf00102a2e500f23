"""What looks odd in what is measured: three rules, a detector for any series, and suspects."""
