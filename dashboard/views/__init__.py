"""The pages. Each has one function, `render(context)`."""
