"""Next-token distributions of real language models, captured once and stored small."""
