"""Access tokens that are JWTs of one issuer, whose public keys are known."""
