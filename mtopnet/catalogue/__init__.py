"""What a catalogue of predictions holds and how it is written."""
