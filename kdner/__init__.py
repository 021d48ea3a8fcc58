"""kdner distills BERT-class named-entity taggers into small LSTM-CNN students, as batch jobs on Ray."""

__version__ = "0.6.0"
