"""What a person is shown: text, Markdown, progress, and what programs read."""
