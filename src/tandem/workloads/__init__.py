"""The process runtime of `tandem up`: pods as processes in their own namespaces."""
