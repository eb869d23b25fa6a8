"""The page: forms to specifications, results to charts; no rules of the method live here."""
