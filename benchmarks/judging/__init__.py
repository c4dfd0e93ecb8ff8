"""The matrix that judges models: a microscope of its own, conditions, references and marks."""
