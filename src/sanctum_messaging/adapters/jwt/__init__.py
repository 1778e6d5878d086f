"""Access tokens that are JWTs of known issuers, whose public keys are known."""
