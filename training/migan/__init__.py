"""MI-GAN's published weights as a file that ships: nothing is trained here."""
