/* Hands the panel's style sheet to the bundler. */
import './index.css';
