"""Sources of sound: everything before the frontend."""
