"""From what happened to what people are told, what other systems tell us, and what Elder does about itself."""
