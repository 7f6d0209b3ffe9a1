"""What methods are composed of: one implementation of each part."""
