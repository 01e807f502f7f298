"""One readable file per paper: a recipe and the functions that assemble it."""
