"""The paper's evaluation: six applications, its claims beside what comes out, and what the claims hang on."""
