"""What users write: documents, mappings and their values, checked, or refused in one clear line."""
