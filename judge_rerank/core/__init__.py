"""The words that everything here speaks: query, document, ranking, effects and outcomes, errors, validation. No I/O."""
