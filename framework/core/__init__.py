"""What everything stands on: parameters, the layer and its guards, building, names, model files."""
